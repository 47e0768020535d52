// Faults on request, in the sanitized library only: a test sees that the sanitizers catch them in memory that
// Java allocated.
#include <cstdint>

#define NEP_EXPORT extern "C" __attribute__((visibility("default")))

NEP_EXPORT float nep_probe_read(const float* values, int64_t index) { return values[index]; }

NEP_EXPORT int32_t nep_probe_increment(int32_t value) { return value + 1; }
