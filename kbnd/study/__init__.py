"""Studies: the TOML schema (`definition`) and the runner that trains, resumes and reports (`runner`)."""
