/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: one row for every call that a program can make. Generator, mutator, text form,
 * framing tests, `iommuzz ops` and the documentation are driven by it. A row describes; it decides
 * no errno after framing (DESIGN.md, section 2). Rows live in calls.def, resource and field kinds
 * here.
 */
#ifndef IOMMUZZ_ABI_CATALOGUE_H
#define IOMMUZZ_ABI_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kernel releases compare as integers: LINUX(6, 13) < LINUX(7, 3). */
#define LINUX(major, minor) (((major) << 8) | (minor))
#define LINUX_NEWEST	    LINUX(7, 3)

/*
 * What a handle can name. Descriptors come first (resource_is_descriptor), then object ids of a
 * context, then things that only programs know.
 */
enum resource {
	RESOURCE_NONE,
	/* descriptors */
	RESOURCE_IOMMUFD,
	RESOURCE_ACCESS_FD, /* IOMMU_TEST_OP_CREATE_ACCESS */
	RESOURCE_FAULT_FD,
	RESOURCE_VEVENTQ_FD,
	RESOURCE_CONTAINER,
	RESOURCE_GROUP,
	RESOURCE_VFIO_DEVICE, /* device descriptor, from a group or a cdev */
	RESOURCE_MEMFD,
	RESOURCE_DMABUF,
	RESOURCE_EVENTFD,
	RESOURCE_KVM_DEVICE,
	RESOURCE_ANY_FD,
	/* object ids */
	RESOURCE_IOAS,
	RESOURCE_DEVICE,
	RESOURCE_HWPT_PAGING,
	RESOURCE_HWPT_NESTED,
	RESOURCE_FAULT,
	RESOURCE_VIOMMU,
	RESOURCE_VDEVICE,
	RESOURCE_VEVENTQ,
	RESOURCE_HW_QUEUE,
	RESOURCE_SELFTEST,   /* the stdev of a mock device */
	RESOURCE_PAGE_TABLE, /* input only: IOAS, paging or nested HWPT (pt_id of attach) */
	RESOURCE_ANY_ID,
	/* others */
	RESOURCE_IOVA,	      /* an IOVA that a call chose */
	RESOURCE_ACCESS_ITEM, /* item id inside a selftest access */
	RESOURCE_ACCESS,      /* in-kernel access object, by access_create */
	RESOURCE_FAULT_COOKIE,
	RESOURCE_PROCESS,
	RESOURCE_COUNT
};

static inline bool resource_is_descriptor(enum resource r)
{
	return r >= RESOURCE_IOMMUFD && r <= RESOURCE_ANY_FD;
}

/*
 * Whether a handle of type have may stand where want is expected. PAGE_TABLE, ANY_ID and ANY_FD are
 * sets; a call that yields one of a set may have yielded any member (dup, MOCK_DOMAIN_REPLACE), and
 * whether an HWPT is paging or nested is not known from the call that made it.
 */
bool resource_matches(enum resource want, enum resource have);
/* "IOAS", "iommufd", ... never NULL. */
const char *resource_name(enum resource r);

enum field_kind {
	FIELD_SUBJECT, /* the first bare word: descriptor or object that the call is made on; not in
			  the struct */
	FIELD_SIZE,    /* the user size word (size, argsz); unset means sizeof the struct */
	FIELD_RESOURCE, /* a handle of type resource */
	FIELD_IOVA,
	FIELD_LENGTH,  /* bytes */
	FIELD_FLAGS,   /* bits named in names; mask is the OR of the defined ones */
	FIELD_ENUM,    /* values named in names */
	FIELD_USER_VA, /* an address of the program's memory that is mapped or compared, not copied
			*/
	FIELD_USER_POINTER, /* address of a layout (pointee) that the call copies in or out */
	FIELD_NUMBER,
	FIELD_RESERVED,
	FIELD_BYTES, /* a string of bytes; not in the struct */
	FIELD_TAIL,  /* bytes appended behind the struct; not in the struct (framing) */
	FIELD_AT,    /* where the struct itself lies; not in the struct (framing) */
	FIELD_NAME, /* a thread, process or fault point word, encoded as a number; not in the struct
		     */
};

enum field_direction { FIELD_IN = 1, FIELD_OUT = 2, FIELD_INOUT = 3 };

struct named_value {
	const char *name; /* as in the ABI without prefix: "FIXED_IOVA" */
	uint64_t value;
	uint16_t since; /* LINUX(..) or 0 */
};

struct field;

/* What a user pointer points at: one struct, or an array of it. */
struct layout {
	const char *name; /* "iommu_iova_range" */
	uint16_t size;	  /* bytes of one element */
	uint8_t field_count;
	const struct field *fields;
};

struct field {
	const char *name;  /* the ABI's own */
	uint8_t kind;	   /* enum field_kind */
	uint8_t direction; /* enum field_direction; of a USER_POINTER: that of the data behind it */
	uint8_t resource;  /* enum resource, for SUBJECT and RESOURCE (also of outputs) */
	uint8_t width;	   /* bytes in the struct: 1, 2, 4 or 8; 0 when not in the struct; an OUT
			      field of width 0 is the result of the call (a new descriptor) */
	uint16_t offset;   /* bytes from the start of the struct */
	bool positional;   /* may be given as a bare word, in order */
	bool is_signed;
	const struct named_value *names; /* FLAGS and ENUM; ended by name == NULL */
	const struct layout *pointee;	 /* USER_POINTER */
	const char *count_field; /* USER_POINTER: field of the same struct that holds the number of
				    elements if its kind is NUMBER, of bytes if it is LENGTH (always
				    when pointee is NULL); NULL if fixed */
};

enum call_kind {
	CALL_IOCTL,   /* an ioctl: number, struct, size word */
	CALL_KERNEL,  /* an in-kernel interface (access_*, dma_*), lower-case name */
	CALL_SYSTEM,  /* open, close, mmap, put, ... */
	CALL_CONTROL, /* thread control, callbacks: join, barrier, on, wait, nothing, ... */
};

/* Ways in which an ioctl takes its argument. */
enum call_framing {
	FRAMING_NONE,  /* not an ioctl, or the argument is by value / absent */
	FRAMING_SIZE,  /* iommufd: u32 size first, extension rule of specification 1.3 */
	FRAMING_ARGSZ, /* VFIO: u32 argsz first, trailing bytes ignored */
	FRAMING_VALUE, /* the argument is a number */
	FRAMING_FIXED, /* a pointer without size word */
};

/* Bits of call_row.needs: what a target must have. Probed at run time. */
enum call_needs {
	NEEDS_TEST = 1 << 0,   /* CONFIG_IOMMUFD_TEST */
	NEEDS_INPROC = 1 << 1, /* in-kernel interface: the in-process implementation only */
	NEEDS_GROUP = 1 << 2,
	NEEDS_CDEV = 1 << 3,
	NEEDS_CONTAINER = 1 << 4,
	NEEDS_SPAPR = 1 << 5,
	NEEDS_KVM = 1 << 6,
};

#define CALL_OUTPUT_MAX 4 /* outputs that a program can name */
#define CALL_FIELD_MAX	20
#define CALL_STRUCT_MAX 128 /* bytes of the largest struct */

struct call_row {
	const char *name;
	uint8_t kind;	  /* enum call_kind */
	uint8_t framing;  /* enum call_framing */
	bool implemented; /* false: answers ENOTTY in-process */
	uint8_t field_count;
	uint16_t size; /* sizeof the struct; 0 without one */
	uint16_t min_size;
	uint32_t number;  /* full 32-bit ioctl command; 0 if not an ioctl */
	uint16_t since;	  /* LINUX(..) */
	uint16_t needs;	  /* enum call_needs */
	int16_t selector; /* offset of the field that selects this row among those of one number; -1
			     if none */
	uint16_t selector_width;
	uint32_t selector_value;
	const struct field *fields; /* subject first, then the struct's, then tail and at */
	const char *spec;	    /* specification section, "4.6" */
	const char *brief;	    /* one line */
};

/* CALL_ID_IOMMU_DESTROY, ... one per row, in the order of calls.def. */
enum call_id {
#define CALL(name, ...)	      CALL_ID_##name,
#define CALL_LATER(name, ...) CALL_ID_##name,
#include "calls.def"
#undef CALL
#undef CALL_LATER
	CALL_ID_COUNT
};

extern const struct call_row call_rows[CALL_ID_COUNT];

/* The row of that name, or -1. Constant time. */
int call_find(const char *name, size_t length);
/* The hash by which call_find places names; public for the tool that writes its table. */
uint32_t call_name_hash(const char *name, size_t length);
/*
 * The row for an ioctl number on a kind of descriptor; argument is the struct, used to pick among
 * rows that share the number by their selector (NULL or shorter than the selector: the first of
 * them). -1 if none.
 */
int call_find_ioctl(enum resource descriptor, uint32_t number, const void *argument, size_t length);
/* Index of the field of that name in the row, or -1. */
int call_field(const struct call_row *row, const char *name, size_t length);
/* Outputs that a program can name, in catalogue order: fills fields with field indices, returns
 * their number. */
int call_outputs(const struct call_row *row, uint8_t fields[CALL_OUTPUT_MAX]);

/* Reads and writes a field in a struct image (little endian, zero extended; sign extended if
 * is_signed). */
uint64_t field_get(const struct field *field, const void *image);
void field_set(const struct field *field, void *image, uint64_t value);

#endif
