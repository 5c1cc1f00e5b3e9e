"""The script and the style sheet of interactive pages; `page` reads them."""
