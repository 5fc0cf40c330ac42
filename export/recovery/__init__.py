"""What a reduction lost, won back without labels: the only code of the workstation's that needs torch."""
