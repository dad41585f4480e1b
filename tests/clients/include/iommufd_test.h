/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_TEST_CMD of kernels with CONFIG_IOMMUFD_TEST, which no installed header has. */
#include "../../../impl/abi/test_abi.h"
