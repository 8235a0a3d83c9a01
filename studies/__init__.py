"""The studies of the source reports, one module and one TOML file each; they run from a checkout."""
