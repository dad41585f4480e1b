/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the kernel's header of this name, which distributions ship in older versions. */
#include "../../../../impl/abi/iommufd_abi.h"
