"""Log density to native code: trace, simplify, lower, emit, build."""
