"""How much who may do: what is measured, and for how long who did too much has to wait."""
