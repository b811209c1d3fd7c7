"""A report as one HTML file, for a browser, for paper and for a screen reader.

`model` holds what a report says, `render.page` turns a report into text. The file needs nothing
from elsewhere, and its own policy forbids the browser every request.
"""
