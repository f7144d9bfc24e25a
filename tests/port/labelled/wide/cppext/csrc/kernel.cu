#include <torch/extension.h>
__global__ void relu_kernel(float* x, int n) {  // # ~ C061
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = x[i] > 0 ? x[i] : 0;
}
