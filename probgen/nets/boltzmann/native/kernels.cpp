// The kernels of Boltzmann machines, in one library.
#include "binary_units.hpp"
#include "descent.hpp"
