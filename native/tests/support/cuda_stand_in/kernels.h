#pragma once

namespace retort::stand_in {

/// Where a variable of the device lies; null if there is none such.
void* address_of_symbol(const void* symbol);

}  // namespace retort::stand_in
