/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/standard.h"

const char standard_source[] =
	"fd = open /dev/iommu\n"
	"as = IOMMU_IOAS_ALLOC fd\n"
	"i1 = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE|WRITEABLE user_va=mem length=1P\n"
	"i2 = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE|WRITEABLE user_va=mem+1P length=2P\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+3P length=1P iova=16M\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+4P length=4P iova=32M\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=i1 length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=i2 length=2P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=32M length=4P\n"
	"close fd\n";
