/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenes for errnos that chance reaches too seldom, for comparison with live kernels: each is a
 * short program in its own context and its own memory, put into the program that is being made.
 */
#include <string.h>

#include "fuzz/prog/builder.h"
#include "fuzz/prog/text.h"
#include "impl/abi/kernel_calls.h"

#define PAGE	      UINT64_C(4096)
#define PROCESS_SHARE 4
#define REPEAT_SHARE  6
#define NOWHERE	      (UINT64_C(20000) * PAGE) /* behind the default mem: nothing is mapped there */

#define FRESH "fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\n"
#define AREA                                                                                       \
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+4096P "      \
	"length=4P iova=16M\n"
#define DEVICE "dev, hwpt, idev = IOMMU_TEST_OP_MOCK_DOMAIN fd id=as\n"
#define ACCESS "acc = IOMMU_TEST_OP_CREATE_ACCESS fd id=as flags=NEEDS_PIN_PAGES\n"
#define FAULT_TABLE                                                                                \
	"fault, ffd = IOMMU_FAULT_QUEUE_ALLOC fd\n"                                                \
	"table = IOMMU_HWPT_ALLOC fd flags=FAULT_ID_VALID dev_id=idev pt_id=as fault_id=fault\n"   \
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=table\n"
#define PARENT	    "par = IOMMU_HWPT_ALLOC fd flags=NEST_PARENT dev_id=idev pt_id=as\n"
#define VIOMMU	    PARENT "vi = IOMMU_VIOMMU_ALLOC fd type=SELFTEST dev_id=idev hwpt_id=par\n"
#define NAMED	    VIOMMU "vdev = IOMMU_VDEVICE_ALLOC fd viommu_id=vi dev_id=idev virt_id=0x99\n"
#define QUEUE	    "IOMMU_HW_QUEUE_ALLOC fd viommu_id=vi type=SELFTEST length=2K nesting_parent_iova="
#define FRESH_OF_P2 "P2: fd = open /dev/iommu\nP2: as = IOMMU_IOAS_ALLOC fd\n"
#define FILE_AREA                                                                                  \
	"mfd = memfd size=8P\n"                                                                    \
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE fd=mfd "            \
	"length=4P iova=16M\n"
/* A user who may lock one page, and maps four. */
#define POOR                                                                                       \
	"process P2 uid=1001 memlock=1P\n"                                                         \
	"fd2 = pass fd P2\n"
#define COMPAT "IOMMU_VFIO_IOAS fd op=SET ioas_id=as\n"
#define POOR_AREA                                                                                  \
	"P2: IOMMU_IOAS_MAP fd2 ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem "       \
	"length=4P iova=16M\n"
/* An area whose memory is not there. */
#define HOLLOW_AREA                                                                                \
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+20000P "     \
	"length=2P iova=16M\n"
#define HALF_AREA                                                                                  \
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+4096P length=2048 "    \
	"iova=16M\n"
#define LOW_AREA                                                                                   \
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+4096P length=1P "      \
	"iova=4P\n"
/* The same in an IOAS without a device. */
#define LOW_AREA_ELSEWHERE                                                                         \
	"as2 = IOMMU_IOAS_ALLOC fd\n"                                                              \
	"IOMMU_IOAS_MAP fd ioas_id=as2 flags=FIXED_IOVA|READABLE user_va=mem+4096P length=1P "     \
	"iova=4P\n"
#define HOLLOW_AREA_ELSEWHERE                                                                      \
	"as2 = IOMMU_IOAS_ALLOC fd\n"                                                              \
	"IOMMU_IOAS_MAP fd ioas_id=as2 flags=FIXED_IOVA|READABLE user_va=mem+20000P length=2P "    \
	"iova=16M\n"
#define POOR_AREA_ELSEWHERE                                                                        \
	"as2 = IOMMU_IOAS_ALLOC fd\n" POOR                                                         \
	"P2: IOMMU_IOAS_MAP fd2 ioas_id=as2 flags=FIXED_IOVA|READABLE user_va=mem length=4P "      \
	"iova=16M\n"

static const char *const scenes[] = {
	/* MAP, COPY: space, overlap, permission, ends of the address space */
	FRESH "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as allowed_iovas=[{start=16M last=16M+2P-1}]\n"
	      "iova = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem+4096P length=1P\n"
	      "IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem+4096P length=2P\n"
	      "IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as src_ioas_id=as length=1P "
	      "src_iova=iova\n"
	      "IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as src_ioas_id=as length=1P "
	      "src_iova=iova\n",
	FRESH AREA "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem length=2P "
		   "iova=16M+3P\n"
		   "IOMMU_IOAS_COPY fd flags=FIXED_IOVA|READABLE dst_ioas_id=as src_ioas_id=as "
		   "length=1P dst_iova=16M+2P src_iova=16M\n",
	FRESH "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+4096P length=2P "
	      "iova=16M\n"
	      "IOMMU_IOAS_COPY fd flags=READABLE|WRITEABLE dst_ioas_id=as src_ioas_id=as length=1P "
	      "src_iova=16M\n",
	FRESH AREA "IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as src_ioas_id=as length=8P "
		   "src_iova=U64_MAX-4P\n"
		   "IOMMU_IOAS_COPY fd flags=FIXED_IOVA|READABLE dst_ioas_id=as src_ioas_id=as "
		   "length=1P dst_iova=U64_MAX src_iova=16M\n"
		   "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem length=2P "
		   "iova=-1P\n"
		   "IOMMU_IOAS_UNMAP fd ioas_id=as iova=-1P length=2P\n",
	FRESH AREA "IOMMU_IOAS_COPY fd dst_ioas_id=as src_ioas_id=as length=1P src_iova=16M\n"
		   "IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as src_ioas_id=as length=0 "
		   "src_iova=16M\n"
		   "IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=0\n"
		   "IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=1P\n",
	/* conflicts with what is there */
	FRESH AREA "IOMMU_TEST_OP_ADD_RESERVED fd id=as start=16M+1P length=1P\n"
		   "IOMMU_TEST_OP_ADD_RESERVED fd id=as start=32M length=1P\n"
		   "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as allowed_iovas=[{start=32M last=33M}]\n"
		   "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as allowed_iovas=[{start=1P last=1P}]\n",
	FRESH "IOMMU_TEST_OP_ADD_RESERVED fd id=as start=U64_MAX-1P length=2P\n"
	      "IOMMU_TEST_OP_ADD_RESERVED fd id=as start=16M length=0\n",
	FRESH LOW_AREA DEVICE "IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as dev_flags=NO_DIRTY\n"
			      "as2 = IOMMU_IOAS_ALLOC fd\n"
			      "dev2 = IOMMU_TEST_OP_MOCK_DOMAIN fd id=as2\n"
			      "IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev2 pt_id=as\n",
	FRESH HALF_AREA ACCESS
	"as2 = IOMMU_IOAS_ALLOC fd\n"
	"acc2 = IOMMU_TEST_OP_CREATE_ACCESS fd id=as2 flags=NEEDS_PIN_PAGES\n"
	"IOMMU_TEST_OP_ACCESS_REPLACE_IOAS fd id=acc2 ioas_id=as\n"
	"IOMMU_OPTION_HUGE_PAGES fd op=SET object_id=as val64=0\n",
	FRESH AREA DEVICE "IOMMU_OPTION_HUGE_PAGES fd op=SET object_id=as val64=0\n"
			  "IOMMU_OPTION_HUGE_PAGES fd op=SET object_id=as val64=2\n"
			  "IOMMU_OPTION_HUGE_PAGES fd op=7 object_id=as\n"
			  "IOMMU_DESTROY fd id=as\n"
			  "IOMMU_DESTROY fd id=idev\n",
	"fd = open /dev/iommu\n"
	"IOMMU_OPTION_RLIMIT_MODE fd op=SET val64=2\n"
	"IOMMU_OPTION_RLIMIT_MODE fd op=5\n"
	"as = IOMMU_IOAS_ALLOC fd\n"
	"IOMMU_OPTION_RLIMIT_MODE fd op=SET val64=1\n" POOR
	"P2: IOMMU_OPTION_RLIMIT_MODE fd2 op=SET val64=1\n",
	/* devices: what they can be attached to */
	FRESH DEVICE "IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=dev\n"
		     "IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=77\n"
		     "IOMMU_TEST_OP_MOCK_DOMAIN fd id=idev\n"
		     "IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=idev\n"
		     "IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as dev_flags=0x40\n",
	FRESH DEVICE AREA
	"IOMMU_TEST_OP_MD_CHECK_MAP fd id=hwpt iova=16M length=4P uptr=mem+4097P\n"
	"IOMMU_TEST_OP_MD_CHECK_MAP fd id=hwpt iova=16M length=1P uptr=mem+20000P\n"
	"IOMMU_TEST_OP_MD_CHECK_MAP fd id=as iova=16M length=1P uptr=mem+4096P\n"
	"IOMMU_TEST_OP_MD_CHECK_REFS fd length=4P uptr=mem+4096P refs=3\n"
	"IOMMU_TEST_OP_MD_CHECK_REFS fd length=1P uptr=mem+20000P refs=0\n"
	"IOMMU_TEST_OP_MD_CHECK_REFS fd length=1 uptr=mem+4096P refs=0\n",
	/* page tables made by hand: of unknown things, over what does not suit */
	FRESH DEVICE LOW_AREA_ELSEWHERE
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as2\n"
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as flags=FAULT_ID_VALID fault_id=77\n"
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=77\n"
	"IOMMU_HWPT_ALLOC fd dev_id=as pt_id=as\n"
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as data_len=8\n"
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as data_type=SELFTEST data_len=8 "
	"data_uptr=mem+20000P\n",
	FRESH DEVICE HOLLOW_AREA_ELSEWHERE "IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as2\n",
	FRESH DEVICE POOR_AREA_ELSEWHERE "IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as2\n"
					 "IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as2 flags=PASID\n",
	FRESH DEVICE "hand = IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as flags=DIRTY_TRACKING\n"
		     "IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=hand dev_flags=NO_DIRTY\n"
		     "_, _, idev2 = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as dev_flags=NO_DIRTY\n"
		     "IOMMU_HWPT_ALLOC fd dev_id=idev2 pt_id=as flags=DIRTY_TRACKING\n"
		     "IOMMU_HWPT_ALLOC fd dev_id=idev2 pt_id=as flags=0x10\n"
		     "IOMMU_GET_HW_INFO fd dev_id=idev2 data_len=8 data_uptr=mem+4100P\n"
		     "IOMMU_GET_HW_INFO fd dev_id=idev data_len=8 data_uptr=mem+20000P\n"
		     "IOMMU_GET_HW_INFO fd dev_id=idev flags=INPUT_TYPE in_data_type=INTEL_VTD\n"
		     "IOMMU_GET_HW_INFO fd dev_id=as\n"
		     "IOMMU_DESTROY fd id=hand\n",
	FRESH DEVICE
	"hand = IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=as flags=DIRTY_TRACKING\n"
	"IOMMU_HWPT_SET_DIRTY_TRACKING fd hwpt_id=hand flags=ENABLE\n"
	"IOMMU_TEST_OP_DIRTY fd id=hand iova=16M length=0x8000001 page_size=1 "
	"uptr=mem+4100P\n"
	"IOMMU_TEST_OP_DIRTY fd id=hand iova=16M length=1P page_size=1P "
	"uptr=mem+20000P\n"
	"IOMMU_HWPT_GET_DIRTY_BITMAP fd hwpt_id=hand iova=-1P length=2P page_size=1P\n"
	"IOMMU_HWPT_SET_DIRTY_TRACKING fd hwpt_id=hwpt flags=ENABLE\n"
	"IOMMU_HWPT_GET_DIRTY_BITMAP fd hwpt_id=hwpt iova=16M length=1P page_size=1P\n",
	/* nested page tables, VIOMMUs, their devices and queues */
	FRESH DEVICE PARENT
	"nest = IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=par data_type=SELFTEST "
	"data_uptr=x\"4d000000\"\n"
	"IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=par data_type=SELFTEST data_len=4 "
	"data_uptr=mem+20000P\n"
	"IOMMU_HWPT_INVALIDATE fd hwpt_id=nest data_type=SELFTEST entry_len=8 entry_num=1 "
	"data_uptr=mem+20000P\n"
	"IOMMU_HWPT_INVALIDATE fd hwpt_id=nest data_type=SELFTEST entry_len=8 entry_num=1 "
	"data_uptr=x\"0200000000000000\"\n"
	"IOMMU_HWPT_INVALIDATE fd hwpt_id=nest __reserved=1\n"
	"IOMMU_TEST_OP_MD_CHECK_IOTLB fd id=nest iotlb_id=1 iotlb=77\n"
	"IOMMU_TEST_OP_MD_CHECK_IOTLB fd id=nest iotlb_id=4 iotlb=77\n"
	"IOMMU_TEST_OP_MD_CHECK_IOTLB fd id=par iotlb_id=1 iotlb=77\n"
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=nest\n",
	FRESH DEVICE NAMED
	"IOMMU_HWPT_INVALIDATE fd hwpt_id=vi data_type=SELFTEST entry_len=13 entry_num=1 "
	"data_uptr=x\"00000000990000000100000001\"\n"
	"IOMMU_HWPT_INVALIDATE fd hwpt_id=vi data_type=SELFTEST entry_len=8 entry_num=1 "
	"data_uptr=x\"0000000099000000\"\n"
	"IOMMU_TEST_OP_DEV_CHECK_CACHE fd id=idev cache_id=0\n"
	"IOMMU_TEST_OP_DEV_CHECK_CACHE fd id=idev cache_id=4\n"
	"IOMMU_TEST_OP_DEV_CHECK_CACHE fd id=dev cache_id=0\n"
	"IOMMU_VIOMMU_ALLOC fd type=SELFTEST dev_id=idev hwpt_id=hwpt\n"
	"IOMMU_VIOMMU_ALLOC fd type=SELFTEST dev_id=idev hwpt_id=par data_len=24 "
	"data_uptr=mem+20000P\n"
	"IOMMU_VIOMMU_ALLOC fd type=SELFTEST dev_id=idev hwpt_id=par data_len=7 "
	"data_uptr=mem+4100P\n"
	"IOMMU_VDEVICE_ALLOC fd viommu_id=vi dev_id=idev virt_id=0x98\n"
	"_, _, idev2 = IOMMU_TEST_OP_MOCK_DOMAIN fd id=as\n"
	"IOMMU_VDEVICE_ALLOC fd viommu_id=vi dev_id=idev2 virt_id=0x99\n"
	"IOMMU_DESTROY fd id=dev\n"
	"IOMMU_DESTROY fd id=vdev\n",
	FRESH DEVICE VIOMMU AREA QUEUE
	"16M index=1\n" QUEUE "16M index=2\n" QUEUE "16M+2K\n" QUEUE "16M\n" QUEUE
	"16M index=1\n" QUEUE "48M\n" QUEUE "-1\n"
	"IOMMU_HW_QUEUE_ALLOC fd viommu_id=vi type=SELFTEST length=-2K nesting_parent_iova=2K\n"
	"IOMMU_HW_QUEUE_ALLOC fd viommu_id=vi type=SELFTEST length=-1P nesting_parent_iova=1P\n"
	"IOMMU_HW_QUEUE_ALLOC fd viommu_id=vi type=SELFTEST nesting_parent_iova=16M\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=16M length=4P\n",
	FRESH DEVICE VIOMMU "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|WRITEABLE "
			    "user_va=mem+4096P length=1P iova=16M\n" QUEUE "16M\n"
			    "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE "
			    "user_va=mem+4096P length=2K iova=17M\n" QUEUE "17M\n" QUEUE
			    "17M at=mem+20000P\n",
	/* memory that is not there, limits */
	FRESH HOLLOW_AREA DEVICE
	"IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as\n"
	"as2 = IOMMU_IOAS_ALLOC fd\n"
	"dev2 = IOMMU_TEST_OP_MOCK_DOMAIN fd id=as2\n"
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev2 pt_id=as\n"
	"IOMMU_IOAS_MAP fd ioas_id=as2 flags=READABLE user_va=mem+20000P length=1P\n"
	"IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as2 src_ioas_id=as length=1P src_iova=16M\n",
	FRESH HOLLOW_AREA ACCESS
	"IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=1P\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16 uptr=mem+4100P\n",
	FRESH POOR POOR_AREA DEVICE
	"IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as\n"
	"as2 = IOMMU_IOAS_ALLOC fd\n"
	"dev2 = IOMMU_TEST_OP_MOCK_DOMAIN fd id=as2\n"
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev2 pt_id=as\n"
	"IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as2 src_ioas_id=as length=4P src_iova=16M\n"
	"P2: IOMMU_IOAS_MAP fd2 ioas_id=as2 flags=READABLE user_va=mem length=2P\n",
	FRESH POOR POOR_AREA ACCESS "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=2P\n",
	/* accesses */
	FRESH AREA ACCESS "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=2P uptr=mem+4097P\n"
			  "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M+2P length=8P\n"
			  "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=U64_MAX-4P length=8P\n"
			  "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=0\n"
			  "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=16M+1\n"
			  "IOMMU_TEST_OP_DESTROY_ACCESS_PAGES fd id=acc access_pages_id=99\n",
	FRESH AREA ACCESS
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16 uptr=mem+20000P\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16 uptr=mem+20000P flags=WRITE\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=48M length=16 uptr=mem+4100P\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=U64_MAX-4P length=8P uptr=mem+4100P\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=0 uptr=mem+4100P\n"
	"IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16M+1 uptr=mem+4100P\n",
	FRESH "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem+4096P length=2P "
	      "iova=16M\n" ACCESS
	      "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc flags=WRITE iova=16M length=1P\n"
	      "IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16 uptr=mem+4100P flags=WRITE\n"
	      "IOMMU_TEST_OP_ACCESS_REPLACE_IOAS fd id=acc ioas_id=0\n"
	      "IOMMU_TEST_OP_ACCESS_REPLACE_IOAS fd id=acc ioas_id=77\n",
	FRESH AREA "acc = IOMMU_TEST_OP_CREATE_ACCESS fd id=as\n"
		   "IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M length=1P\n"
		   "IOMMU_TEST_OP_ACCESS_RW fd id=acc iova=16M length=16 uptr=mem+4100P "
		   "flags=0x80\n"
		   "IOMMU_TEST_OP_ACCESS_PAGES fd id=fd iova=16M length=1P\n"
		   "IOMMU_TEST_OP_ACCESS_RW fd id=fd iova=16M length=16 uptr=mem+4100P\n"
		   "IOMMU_TEST_OP_DESTROY_ACCESS_PAGES fd id=fd\n"
		   "IOMMU_TEST_OP_ACCESS_REPLACE_IOAS fd id=fd ioas_id=as\n"
		   "IOMMU_TEST_OP_CREATE_ACCESS fd id=as flags=2\n"
		   "IOMMU_TEST_OP_CREATE_ACCESS fd id=77\n"
		   "IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT fd limit=11\n",
	/* mapped files: their ends, space and overlap, limits, and another owner */
	FRESH FILE_AREA
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=FIXED_IOVA|READABLE fd=mfd length=1P iova=16M\n"
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd start=U64_MAX length=2\n"
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=U64_MAX\n"
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=-1 length=1P\n"
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=FIXED_IOVA|READABLE fd=mfd start=7P length=2P "
	"iova=32M\n" DEVICE,
	FRESH "mfd = memfd size=4P\n"
	      "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as allowed_iovas=[{start=16M last=16M+2P-1}]\n"
	      "IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=3P\n"
	      "IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=2P\n",
	FRESH POOR DEVICE FILE_AREA
	"P2: mfd2 = memfd size=4P\n"
	"P2: IOMMU_IOAS_MAP_FILE fd2 ioas_id=as flags=READABLE fd=mfd2 length=2P\n"
	"P2: IOMMU_IOAS_MAP_FILE fd2 ioas_id=as flags=READABLE fd=mfd2 length=1P\n"
	"IOMMU_IOAS_CHANGE_PROCESS fd\n",
	"process P2 uid=1001 memlock=4P\n" FRESH_OF_P2 "P2: mfd = memfd size=4P\n"
	"P2: IOMMU_TEST_OP_MOCK_DOMAIN fd id=as\n"
	"P2: IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=3P\n"
	"P2: setrlimit memlock=2P\n"
	"P2: exec\n"
	"P2: IOMMU_IOAS_CHANGE_PROCESS fd\n"
	"P2: IOMMU_IOAS_UNMAP fd ioas_id=as iova=0 length=U64_MAX\n"
	"P2: IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=2P\n"
	"P2: IOMMU_IOAS_CHANGE_PROCESS fd\n",
	FRESH
	"mfd = memfd size=4P\n"
	"iova = IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=1P at=mem+4203P\n"
	"mprotect mem+4203P length=1P prot=READ\n"
	"IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=mfd length=1P at=mem+4203P\n"
	"IOMMU_IOAS_CHANGE_PROCESS fd at=mem+4203P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as length=U64_MAX\n",
	/* PASIDs: a table that cannot be made, sizes */
	FRESH "dev, hwpt, idev = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS fd id=as dev_flags=PASID\n"
	      "one = IOMMU_HWPT_ALLOC fd flags=PASID dev_id=idev pt_id=as\n"
	      "IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=one\n"
	      "IOMMU_TEST_OP_PASID_ATTACH fd id=dev pasid=1 pt_id=one\n" LOW_AREA_ELSEWHERE
	      "IOMMU_TEST_OP_PASID_REPLACE fd id=dev pasid=1 pt_id=as2\n"
	      "IOMMU_TEST_OP_PASID_ATTACH fd size=100 id=dev tail=01\n"
	      "IOMMU_TEST_OP_PASID_DETACH fd size=8 id=dev\n"
	      "IOMMU_TEST_OP_PASID_DETACH fd id=dev pasid=1\n",
	/* dma-bufs, whose descriptor is the next one: what cannot be mapped, what is taken back */
	FRESH DEVICE "IOMMU_TEST_OP_DMABUF_GET fd length=8P open_flags=RDWR\n"
		     "IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=fd+1 length=9P\n"
		     "iova = IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=fd+1 length=8P\n"
		     "IOMMU_IOAS_COPY fd flags=READABLE dst_ioas_id=as src_ioas_id=as length=1P "
		     "src_iova=iova\n"
		     "IOMMU_TEST_OP_DMABUF_REVOKE fd dmabuf_fd=fd+1 revoked=1\n"
		     "IOMMU_IOAS_MAP_FILE fd ioas_id=as flags=READABLE fd=fd+1 length=8P\n"
		     "IOMMU_TEST_OP_DMABUF_REVOKE fd dmabuf_fd=fd\n"
		     "IOMMU_TEST_OP_DMABUF_REVOKE fd dmabuf_fd=900\n"
		     "IOMMU_IOAS_UNMAP fd ioas_id=as length=U64_MAX\n",
	/* VFIO's calls: without an IOAS, ends of the address space, cuts */
	FRESH "IOMMU_VFIO_IOAS fd\n"
	      "VFIO_CHECK_EXTENSION_COMPAT fd DMA_CC_IOMMU\n"
	      "VFIO_SET_IOMMU_COMPAT fd TYPE1_IOMMU\n"
	      "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=mem+4096P iova=16M size=1P\n"
	      "VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M size=1P\n"
	      "VFIO_IOMMU_GET_INFO_COMPAT fd\n"
	      "IOMMU_VFIO_IOAS fd op=SET ioas_id=77\n"
	      "IOMMU_VFIO_IOAS fd op=7\n",
	FRESH COMPAT "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=mem+4096P iova=16M size=2K\n"
		     "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=mem+4096P iova=16M size=1P\n"
		     "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=mem+4096P iova=-1P size=2P\n"
		     "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=-1P iova=32M size=2P\n"
		     "VFIO_SET_IOMMU_COMPAT fd TYPE1_IOMMU\n"
		     "VFIO_SET_IOMMU_COMPAT fd NOIOMMU_IOMMU\n"
		     "VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=-1P size=2P\n"
		     "VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M size=1K\n"
		     "VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M size=1P at=mem+20000P\n"
		     "VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ at=mem+20000P\n"
		     "VFIO_IOMMU_GET_INFO_COMPAT fd at=mem+20000P\n"
		     "VFIO_IOMMU_GET_INFO_COMPAT fd argsz=15\n"
		     "IOMMU_DESTROY fd id=as\n"
		     "VFIO_IOMMU_GET_INFO_COMPAT fd\n",
	FRESH COMPAT DEVICE
	"VFIO_SET_IOMMU_COMPAT fd TYPE1_IOMMU\n"
	"VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ|WRITE vaddr=mem+4096P iova=16M size=8P\n"
	"VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M+2P size=2P\n"
	"VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M+5P size=100\n"
	"VFIO_IOMMU_MAP_DMA_COMPAT fd flags=READ vaddr=mem+20000P iova=32M size=1P\n"
	"VFIO_IOMMU_GET_INFO_COMPAT fd argsz=72 at=mem+4200P\n" ACCESS
	"IOMMU_TEST_OP_ACCESS_PAGES fd id=acc iova=16M+4P length=2P\n"
	"VFIO_IOMMU_UNMAP_DMA_COMPAT fd iova=16M+5P size=1P\n"
	"VFIO_IOMMU_UNMAP_DMA_COMPAT fd flags=ALL\n",
	FRESH COMPAT POOR DEVICE
	"P2: VFIO_IOMMU_MAP_DMA_COMPAT fd2 flags=READ vaddr=mem iova=16M size=4P\n",
	/* descriptors run out */
	FRESH DEVICE VIOMMU "repeat 1030: dup fd\n"
			    "IOMMU_TEST_OP_CREATE_ACCESS fd id=as\n"
			    "IOMMU_FAULT_QUEUE_ALLOC fd\n"
			    "IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=SELFTEST veventq_depth=1\n"
			    "IOMMU_TEST_OP_DMABUF_GET fd length=1P\n"
			    "open /dev/iommu\n",
	/* page faults and reports: transfers of odd sizes, to and from what is not there */
	FRESH DEVICE FAULT_TABLE
	"IOMMU_TEST_OP_TRIGGER_IOPF fd dev_id=idev grpid=1 perm=READ addr=4P\n"
	"IOMMU_TEST_OP_TRIGGER_IOPF fd dev_id=idev grpid=2 perm=WRITE addr=8P\n"
	"read ffd at=mem+20000P length=40\n"
	"read ffd at=mem+4100P length=39\n"
	"read ffd at=mem+4100P length=0\n"
	"read ffd at=mem+4100P length=40\n"
	"write ffd at=mem+20000P length=8\n"
	"write ffd at=mem+4100P length=4\n"
	"write ffd at=[{cookie=1 code=3}] length=8\n"
	"write ffd at=[{cookie=1 code=INVALID} {cookie=1 code=INVALID}] length=16\n"
	"IOMMU_DESTROY fd id=fault\n"
	"IOMMU_TEST_OP_TRIGGER_IOPF fd dev_id=as\n"
	"IOMMU_FAULT_QUEUE_ALLOC fd flags=2\n"
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=as\n"
	"read ffd at=mem+4100P length=80\n",
	FRESH DEVICE VIOMMU
	"IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=SELFTEST veventq_depth=0\n"
	"eq, efd = IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=SELFTEST veventq_depth=2\n"
	"IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=SELFTEST veventq_depth=2\n"
	"IOMMU_VEVENTQ_ALLOC fd viommu_id=as type=SELFTEST veventq_depth=2\n"
	"IOMMU_VDEVICE_ALLOC fd viommu_id=vi dev_id=idev virt_id=153\n"
	"nest = IOMMU_HWPT_ALLOC fd dev_id=idev pt_id=vi data_type=SELFTEST data_len=4 "
	"data_uptr=[{iotlb=7}]\n"
	"IOMMU_TEST_OP_TRIGGER_VEVENT fd dev_id=idev\n"
	"IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE fd id=dev pt_id=nest\n"
	"repeat 4: IOMMU_TEST_OP_TRIGGER_VEVENT fd dev_id=idev\n"
	"read efd at=mem+20000P length=12\n"
	"read efd at=mem+4100P length=4\n"
	"read efd at=mem+4100P length=24\n"
	"write efd at=mem+4100P length=8\n"
	"close efd\n"
	"IOMMU_DESTROY fd id=eq\n"
	"IOMMU_TEST_OP_TRIGGER_VEVENT fd dev_id=idev\n",
	/* answers that cannot be written: the effect stays or is undone (1.4) */
	FRESH "iova = IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem+4096P length=1P "
	      "at=mem+4200P\n"
	      "mprotect mem+4200P length=1P prot=READ\n"
	      "IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem+4096P length=1P "
	      "at=mem+4200P\n"
	      "IOMMU_IOAS_UNMAP fd ioas_id=as length=U64_MAX\n",
	FRESH "IOMMU_IOAS_ALLOC fd at=mem+4201P\n"
	      "mprotect mem+4201P length=1P prot=READ\n"
	      "IOMMU_IOAS_ALLOC fd at=mem+4201P\n"
	      "IOMMU_IOAS_ALLOC fd\n",
	FRESH "IOMMU_FAULT_QUEUE_ALLOC fd at=mem+4204P\n"
	      "mprotect mem+4204P length=1P prot=READ\n"
	      "IOMMU_FAULT_QUEUE_ALLOC fd at=mem+4204P\n"
	      "IOMMU_IOAS_ALLOC fd\n",
	FRESH DEVICE VIOMMU "IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=SELFTEST veventq_depth=1 "
			    "at=mem+4205P\n"
			    "mprotect mem+4205P length=1P prot=READ\n"
			    "IOMMU_VEVENTQ_ALLOC fd viommu_id=vi type=1 veventq_depth=1 "
			    "at=mem+4205P\n"
			    "IOMMU_IOAS_ALLOC fd\n",
	FRESH "IOMMU_TEST_OP_MOCK_DOMAIN fd id=as at=mem+4202P\n"
	      "mprotect mem+4202P length=1P prot=READ\n"
	      "IOMMU_TEST_OP_MOCK_DOMAIN fd id=as at=mem+4202P\n"
	      "IOMMU_IOAS_ALLOC fd\n",
	FRESH AREA "IOMMU_IOAS_IOVA_RANGES fd ioas_id=as num_iovas=1 allowed_iovas=mem+20000P\n"
		   "IOMMU_IOAS_IOVA_RANGES fd ioas_id=as num_iovas=0 allowed_iovas=NULL\n"
		   "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as num_iovas=1 allowed_iovas=mem+20000P\n",
};

/* A scene's P2 becomes a process that the program does not have yet. */
static void rename_process(struct builder *b, struct call *call, uint8_t process)
{
	const struct call_row *row = prog_row(call);

	if (call->process)
		call->process = process;
	for (unsigned f = 0; f < row->field_count; f++) {
		struct value *value = prog_value(b->prog, call, f);

		if (row->fields[f].kind == FIELD_NAME && value->kind == VALUE_NUMBER)
			value->number = process;
	}
}

static bool has_process(const struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].process)
			return true;
	return false;
}

/* One in how many of these scenes is taken: some cost a live kernel more than all else in a
 * program.
 */
static uint32_t share_of(const struct prog *scene)
{
	for (uint32_t i = 0; i < scene->call_count; i++)
		if (scene->calls[i].repeat > 1)
			return REPEAT_SHARE;
	return has_process(scene) ? PROCESS_SHARE : 1;
}

static void append(struct builder *b, const struct prog *scene)
{
	uint32_t base = b->prog->call_count, value = b->prog->value_count;
	uint32_t bent = random_chance(b->random, 1, 6)
				? (uint32_t)random_below(b->random, scene->call_count)
				: UINT32_MAX;

	if (has_process(scene) && b->processes >= PROG_PROCESS_MAX - 1)
		return;
	b->processes = (uint8_t)(b->processes + has_process(scene));
	for (uint32_t i = 0; i < scene->call_count; i++)
		if (!prog_copy_call(b->prog, scene, i)) {
			b->full = true;
			break;
		}
	for (; value < b->prog->value_count; value++)
		if (b->prog->values[value].kind == VALUE_HANDLE)
			b->prog->values[value].call =
				(uint16_t)(b->prog->values[value].call + base);
	for (uint32_t i = base; i < b->prog->call_count; i++) {
		if (has_process(scene))
			rename_process(b, &b->prog->calls[i], b->processes);
		if (i - base == bent)
			builder_bend(b, i);
		scene_add(&b->scene, b->prog, i);
	}
}

static enum call_id some_ioctl(struct builder *b)
{
	enum call_id row;

	do
		row = (enum call_id)random_below(b->random, CALL_ID_COUNT);
	while (!call_rows[row].implemented || call_rows[row].framing != FRAMING_SIZE);
	return row;
}

static void set_field_of(struct builder *b, uint32_t call, enum field_kind kind, struct value value)
{
	const struct call_row *row = prog_row(&b->prog->calls[call]);

	for (unsigned f = 0; f < row->field_count; f++)
		if (row->fields[f].kind == kind)
			*prog_value(b->prog, &b->prog->calls[call], f) = value;
}

/* Any ioctl with its struct too short, too long, misplaced, or with what it must not contain. */
static void frame(struct builder *b)
{
	uint32_t context = builder_need_context(b), call = builder_call(b, some_ioctl(b)), start;
	const struct call_row *row;

	if (call == UINT32_MAX)
		return;
	row = prog_row(&b->prog->calls[call]);
	for (unsigned f = 0; f < row->field_count; f++)
		builder_value(b, call, f);
	builder_subject(b, call, context);
	switch (random_below(b->random, 4)) {
	case 0:
		set_field_of(
			b, call, FIELD_SIZE, value_number(random_below(b->random, row->min_size)));
		break;
	case 1:
		start = prog_add_bytes(b->prog, "\0\0\1", 3);
		if (start == UINT32_MAX)
			break;
		set_field_of(b, call, FIELD_TAIL,
			(struct value){.kind = VALUE_BYTES, .count = 3, .start = start});
		set_field_of(b, call, FIELD_SIZE, value_number(row->size + 3u));
		break;
	case 2: set_field_of(b, call, FIELD_AT, value_mem(NOWHERE)); break;
	default:
		set_field_of(b, call, FIELD_RESERVED, value_number(1));
		set_field_of(b, call, FIELD_FLAGS, value_number(0x100000));
		break;
	}
	scene_add(&b->scene, b->prog, call);
}

/* Any ioctl on ids that nobody has. */
static void strangers(struct builder *b)
{
	uint32_t context = builder_need_context(b), call = builder_call(b, some_ioctl(b));
	const struct call_row *row;

	if (call == UINT32_MAX)
		return;
	row = prog_row(&b->prog->calls[call]);
	for (unsigned f = 0; f < row->field_count; f++) {
		builder_value(b, call, f);
		if (row->fields[f].kind == FIELD_RESOURCE && row->fields[f].direction & FIELD_IN)
			*prog_value(b->prog, &b->prog->calls[call], f) = value_number(
				random_chance(b->random, 1, 2) ? 0
							       : 900 + random_below(b->random, 9));
	}
	builder_subject(b, call, context);
	scene_add(&b->scene, b->prog, call);
}

void builder_rare(struct builder *b)
{
	size_t count = sizeof(scenes) / sizeof(scenes[0]);
	size_t pick = random_below(b->random, count + count * 2 / 3);
	struct prog_text text;
	struct parse_error error;

	if (pick >= count) {
		(random_chance(b->random, 3, 4) ? frame : strangers)(b);
		return;
	}
	prog_text_init(&text);
	if (prog_parse(&text, scenes[pick], strlen(scenes[pick]), &error) &&
		random_chance(b->random, 1, share_of(&text.prog)))
		append(b, &text.prog);
	prog_text_free(&text);
}

const char *builder_rare_scene(unsigned index)
{
	return index < sizeof(scenes) / sizeof(scenes[0]) ? scenes[index] : NULL;
}
