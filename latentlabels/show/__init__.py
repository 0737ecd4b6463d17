"""What people see: words, pages, notebook views and plots."""
