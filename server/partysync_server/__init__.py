"""The Tornado room server of PartySync. It loads neither anywidget nor IPython."""
