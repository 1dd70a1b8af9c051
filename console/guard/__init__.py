"""What stands between the network and the pages: hosts, headers, tokens, logins, bounds."""
