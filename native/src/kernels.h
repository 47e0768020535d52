// Declares every kernel of kernels.def once per level.
#pragma once

#include <cstdint>

#define KERNEL(type, name, parameters, arguments) type name parameters;
#if defined(__x86_64__)
namespace nep_v2 {
#include "kernels.def"
}
namespace nep_v3 {
#include "kernels.def"
}
namespace nep_v4 {
#include "kernels.def"
}
#else
namespace nep_generic {
#include "kernels.def"
}
#endif
#undef KERNEL
