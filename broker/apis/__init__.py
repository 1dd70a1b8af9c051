"""One file per API: request message -> core -> response message."""
