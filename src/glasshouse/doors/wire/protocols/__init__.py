"""One module per protocol: requests to dictionaries, dictionaries and errors to answers."""
