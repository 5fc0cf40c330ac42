"""What may follow a reduction: the form that another engine needs."""
