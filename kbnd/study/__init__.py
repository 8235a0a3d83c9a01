"""Studies: from a TOML file to a table.

definition (file, arms, presets), claims --> choices --> plan --> runner --> outputs
                                               |----> preview (holdings, estimate): the same, without training
"""
