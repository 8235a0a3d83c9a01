"""Sound TOML files: a study, recipes, a space; what is damaged elsewhere."""

STUDY = """
name = "computed"
title = "Runs that nobody trained"
source = "Nobody (2026), Nothing"
baseline = "plain"
seeds = 2

[model]
name = "lenet5"

[data]
name = "digits"

[train]
epochs = 3
batch_size = 32
learning_rate = 0.05

[presets.short]
seeds = 1
train = { epochs = 2 }

[[arms]]
name = "plain"

[[arms]]
name = "bn"
model = { batch_norm = "before_activation" }

[[arms]]
name = "bn+dropout0.5"
group = "both"
baseline = "bn"
model = { batch_norm = "before_activation", dropout = { dense = 0.5 } }
train = { learning_rate = 0.1 }

[[claims]]
id = "bn-helps"
statement = "BN raises test accuracy by a point or more"
needs = "arms"
tests = [{ metric = "test_accuracy", contrast = { bn = 1, plain = -1 }, rule = "superiority", margin = 0.01 }]

[[tables]]
title = "Accuracy"
metric = "test_accuracy"
columns = ["plain", "BN"]
rows = [{ label = "LeNet-5", arms = ["plain", "bn"], published = [0.97, 0.99] }]
"""

RECIPE = """
seed = 7

[model]
name = "lenet5"
batch_norm = "before_activation"
batch_norm_sites = ["conv1", "conv2"]
dropout_sites = ["dense"]
dropout = 0.25

[data]
name = "digits"
n_train = 600
standardise = "per_channel"

[train]
epochs = 4
batch_size = 32
learning_rate = 0.1
momentum = 0.9
schedule = "step"
milestones = [2, 3]
multipliers = [0.1, 0.01]
weight_decay = 1e-4
dropout_schedule = "early"
dropout_schedule_epochs = 2
"""

RESIDUAL_RECIPE = """
[model]
name = "resnet"
options = { depth = 20, order = "pre", width = 0.5 }

[data]
name = "digits"
image_size = [32, 32]

[train]
optimizer = "adam"
learning_rate = 1e-3
schedule = "cosine"
augmentation = "crop_flip"
epochs = 2
"""

SPACE = """
[model]
name = "lenet5"
batch_norm = ["none", "before_activation"]
[model.dropout]
dense = { min = 0.0, max = 0.8 }

[data]
name = "digits"

[train]
epochs = 3
learning_rate = { min = 1e-3, max = 1.0, log = true }
optimizer = ["sgd", "adam"]
batch_size = { min = 16, max = 64, step = 16 }
"""

TRAINED = """
name = "trained"
title = "A tiny study"
baseline = "plain"
seeds = 1
control = false

[model]
name = "lenet5"

[data]
name = "digits"
n_train = 96

[train]
epochs = 8
batch_size = 32

[[arms]]
name = "plain"

[[arms]]
name = "bn+dropout0.5"
model = { batch_norm = "before_activation", dropout = 0.5 }
"""
