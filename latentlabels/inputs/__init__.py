"""One door for data: whatever a user gives becomes batches of inputs with names and known labels."""
