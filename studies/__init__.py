"""The studies of the sources, one module and one TOML file each; they run from a checkout."""
