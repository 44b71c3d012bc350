"""From labelled examples to fitted prompts: the paper's section 2."""
