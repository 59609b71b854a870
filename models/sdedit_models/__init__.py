"""What the scripts share: network, noise levels, data, mixture, optimiser."""
