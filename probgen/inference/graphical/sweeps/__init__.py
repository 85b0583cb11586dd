"""What a Gibbs sweep is compiled to: colours, merged tables, layouts and running marginals."""
