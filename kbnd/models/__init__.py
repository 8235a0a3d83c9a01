"""The networks by name: plain builders of uncompiled Keras models, a check and a cost that need no Keras.

    from kbnd.models import lenet5, resnet
    model = lenet5((28, 28, 1), 10, batch_norm="before_activation", dropout=0.5)
    model = resnet((32, 32, 3), 10, depth=20, order="pre")

| network                    | of source     | parameters (10 classes)          | multiply-accumulates |
|----------------------------|---------------|---------------------------------:|---------------------:|
| `lenet5`                   | S0, S2        |               61,706 at 28x28x1  |               0.42 M |
| `resnet` (depth 20 to 164) | S1, S3        | 219,482 to 2,605,658 at 32x32x3  |   30.6 M to 380.6 M  |
| `simple_cnn`               | S3            |            1,250,858 at 32x32x3  |               20.7 M |
| `deeper_cnn`               | S3            |            1,343,210 at 32x32x3  |               56.2 M |
| `alexnet`                  | S4            |            2,472,266 at 32x32x3  |               15.0 M |
| `alexnet_d2l`              | S4            |         46,787,978 at 224x224x3  |                1.0 G |

| module           | subject                                                                             |
|------------------|-------------------------------------------------------------------------------------|
| `placement`      | the ORDER table: steps of a unit by placement; units, and a plan of their layers    |
| `options`        | the options that networks share, typed and documented once                          |
| `sites`          | which units of a chain carry Batch Normalization and Dropout                        |
| `sizes`          | sides of maps, widths of layers, the smallest image                                 |
| `logits_dropout` | loss floor and accuracy ceiling of dropout on the logits, and the warning           |
| `chains`         | the last step of every builder of a chain                                           |
| `lenet`          | LeNet-5                                                                             |
| `alexnets`       | AlexNet in two sizes                                                                |
| `cnns`           | SimpleCNN and DeeperCNN                                                             |
| `residual`       | blocks, rules and steps of residual networks                                        |
| `resnets`        | the builder of residual networks                                                    |
| `canonical`      | one spec for one network                                                            |
| `architecture`   | what is known of a network before it is built                                       |
| `registry`       | the networks by name: check, resolve, build                                         |
| `costs`          | parameters, multiply-accumulates, values kept                                       |
| `blocks`         | the Keras layers of units and blocks                                                |
| `shortcuts`      | the Keras layer of a shortcut without weights                                       |
| `saved`          | kbnd's layers known to Keras, so that saved models load                             |

Importing this package imports no backend: Keras starts when the first network is built (`blocks`, `shortcuts`).
"""

from kbnd.models import saved
from kbnd.models.alexnets import alexnet, alexnet_d2l
from kbnd.models.architecture import Architecture, ResidualArchitecture
from kbnd.models.cnns import deeper_cnn, simple_cnn
from kbnd.models.costs import Cost, cost
from kbnd.models.lenet import UNITS as LENET5_UNITS
from kbnd.models.lenet import lenet5
from kbnd.models.options import LayerOptions, PlacementOptions
from kbnd.models.registry import MODELS, build, check, resolve, smallest_side
from kbnd.models.resnets import resnet

__all__ = [
    "LENET5_UNITS",
    "MODELS",
    "Architecture",
    "Cost",
    "LayerOptions",
    "PlacementOptions",
    "ResidualArchitecture",
    "alexnet",
    "alexnet_d2l",
    "build",
    "check",
    "cost",
    "deeper_cnn",
    "lenet5",
    "resnet",
    "resolve",
    "simple_cnn",
    "smallest_side",
]

saved.register()
