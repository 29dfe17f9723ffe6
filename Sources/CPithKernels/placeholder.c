#include "CPithKernels.h"
