#include <torch/extension.h>
// no cuda here
torch::Tensor twice(torch::Tensor x) { return x * 2; }
