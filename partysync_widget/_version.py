"""The version of the distribution, written once: hatchling, the server and the docs test read it from here."""

__version__ = "0.1.0"
