"""What every command does around its work: addresses, numbers, signals, what is shown, and
where."""
