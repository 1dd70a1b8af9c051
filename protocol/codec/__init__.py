"""From declared messages to flat functions that read and write them."""
