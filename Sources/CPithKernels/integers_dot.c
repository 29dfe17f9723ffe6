#if defined(__aarch64__)

#include "integers.h"

#include <arm_neon.h>

#define TARGET __attribute__((target("dotprod")))
#define KERNELS pith_integers_dot
#define dot(sums, a, b) vdotq_s32(sums, a, b)

#include "integers_arm.h"

#endif
