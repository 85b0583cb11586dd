"""What runs inference many times: comparison of algorithms, calibration, conformance."""
