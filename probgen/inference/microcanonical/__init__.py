"""Microcanonical samplers: what MCLMC and MAMS share, in numpy and around the native code."""
