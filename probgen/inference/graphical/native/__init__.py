"""C++ of the graph engines: one `.cpp` per engine, shared parts in headers."""
