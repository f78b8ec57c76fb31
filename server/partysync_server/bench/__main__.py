from .command import BenchApp

BenchApp.launch_instance()
