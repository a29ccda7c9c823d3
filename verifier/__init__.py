"""Would I get my data back, and will the snapshot I need still be there next year?"""

__version__ = "0.1.0"
