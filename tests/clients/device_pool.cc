/* SPDX-License-Identifier: Apache-2.0 */
/* A client in C++: objects that close what they opened, exceptions, threads of the standard
 * library. */
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "iommufd_test.h"

namespace
{

constexpr std::size_t page = 4096;

class Descriptor
{
      public:
	explicit Descriptor(int number) : number_(number)
	{
	}
	Descriptor(Descriptor &&other) noexcept : number_(std::exchange(other.number_, -1))
	{
	}
	Descriptor(const Descriptor &) = delete;
	Descriptor &operator=(const Descriptor &) = delete;
	~Descriptor()
	{
		if (number_ >= 0)
			::close(number_);
	}
	int get() const
	{
		return number_;
	}

      private:
	int number_;
};

class Context
{
      public:
	Context() : fd_(::open("/dev/iommu", O_RDWR | O_CLOEXEC))
	{
		if (fd_.get() < 0)
			throw std::system_error(errno, std::generic_category(), "/dev/iommu");
	}
	template <typename Command>
	void call(unsigned long request, Command &command, const char *what)
	{
		command.size = sizeof(command);
		if (::ioctl(fd_.get(), request, &command) < 0)
			throw std::system_error(errno, std::generic_category(), what);
	}
	template <typename Set>
	iommu_test_cmd test(std::uint32_t op, std::uint32_t id, const char *what, Set set)
	{
		iommu_test_cmd command{};
		command.op = op;
		command.id = id;
		set(command);
		call(IOMMU_TEST_CMD, command, what);
		return command;
	}
	void destroy(std::uint32_t id)
	{
		iommu_destroy command{};
		command.id = id;
		call(IOMMU_DESTROY, command, "destroy");
	}

      private:
	Descriptor fd_;
};

class Memory
{
      public:
	explicit Memory(std::size_t count) : size_(count * page)
	{
		at_ = ::mmap(
			nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (at_ == MAP_FAILED)
			throw std::bad_alloc();
	}
	Memory(const Memory &) = delete;
	~Memory()
	{
		::munmap(at_, size_);
	}
	std::uint8_t *data() const
	{
		return static_cast<std::uint8_t *>(at_);
	}
	std::size_t size() const
	{
		return size_;
	}

      private:
	std::size_t size_;
	void *at_;
};

class Space
{
      public:
	explicit Space(Context &context) : context_(context)
	{
		iommu_ioas_alloc command{};
		context.call(IOMMU_IOAS_ALLOC, command, "space");
		id_ = command.out_ioas_id;
	}
	std::uint64_t map(const std::uint8_t *from, std::size_t length)
	{
		iommu_ioas_map command{};
		command.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
		command.ioas_id = id_;
		command.user_va = reinterpret_cast<std::uintptr_t>(from);
		command.length = length;
		context_.call(IOMMU_IOAS_MAP, command, "map");
		return command.iova;
	}
	std::uint64_t unmap(std::uint64_t iova, std::uint64_t length)
	{
		iommu_ioas_unmap command{};
		command.ioas_id = id_;
		command.iova = iova;
		command.length = length;
		context_.call(IOMMU_IOAS_UNMAP, command, "unmap");
		return command.length;
	}
	std::uint32_t id() const
	{
		return id_;
	}

      private:
	Context &context_;
	std::uint32_t id_;
};

struct Device {
	Device(Context &context, std::uint32_t pt) : context(context)
	{
		auto made = context.test(IOMMU_TEST_OP_MOCK_DOMAIN, pt, "device", [](auto &) {});
		stdev = made.mock_domain.out_stdev_id;
		hwpt = made.mock_domain.out_hwpt_id;
	}
	Device(const Device &) = delete;
	~Device()
	{
		try {
			context.destroy(stdev);
		} catch (const std::system_error &error) {
			std::cout << "device " << stdev << ": " << error.code().value() << '\n';
		}
	}
	Context &context;
	std::uint32_t stdev, hwpt;
};

void attempt(const std::string &what, const std::function<void()> &work)
{
	try {
		work();
		std::cout << what << ": done\n";
	} catch (const std::system_error &error) {
		std::cout << what << ": " << strerrorname_np(error.code().value()) << '\n';
	}
}

/* Each device has a page of its own; all see all of the space. */
void pool(Context &context)
{
	Space space(context);
	Memory memory(16);
	std::map<std::uint64_t, std::size_t> places;
	{
		std::vector<std::unique_ptr<Device>> devices;
		for (int i = 0; i < 4; i++)
			devices.push_back(std::make_unique<Device>(context, space.id()));
		for (const auto &device : devices)
			std::cout << "device " << device->stdev << " table " << device->hwpt
				  << '\n';
		for (std::size_t i = 0; i < 16; i += 2)
			places[space.map(memory.data() + i * page, 2 * page)] = i;
		for (const auto &[iova, number] : places)
			std::cout << std::hex << iova << std::dec << ' ' << number << '\n';
		for (const auto &[iova, number] : places)
			context.test(IOMMU_TEST_OP_MD_CHECK_MAP, devices[0]->hwpt, "translation",
				[&, at = iova, from = number](auto &command) {
					command.md_check_map.iova = at;
					command.md_check_map.length = 2 * page;
					command.md_check_map.uptr =
						reinterpret_cast<std::uintptr_t>(
							memory.data() + from * page);
				});
		attempt("destroy a space in use", [&] { context.destroy(space.id()); });
		attempt("a device on a device", [&] { Device(context, devices[0]->stdev); });
	}
	std::uint64_t bytes = 0;
	for (const auto &place : places)
		bytes += space.unmap(place.first, 2 * page);
	std::cout << "unmapped " << bytes << '\n';
	attempt("unmap again", [&] { space.unmap(places.begin()->first, 2 * page); });
	attempt("destroy the space", [&] { context.destroy(space.id()); });
}

void threads(Context &context)
{
	Space space(context);
	Device device(context, space.id());
	std::array<std::thread, 4> workers;
	std::atomic<unsigned> maps{0}, errors{0};

	for (auto &worker : workers)
		worker = std::thread([&] {
			Memory memory(4);
			for (int i = 0; i < 50; i++)
				try {
					space.unmap(space.map(memory.data(), memory.size()),
						memory.size());
					maps++;
				} catch (const std::exception &error) {
					errors++;
				}
		});
	for (auto &worker : workers)
		worker.join();
	std::cout << "maps " << maps << " errors " << errors << '\n';
	attempt("nothing is left", [&] { space.unmap(0, UINT64_MAX - 1); });
}

} // namespace

int main()
{
	try {
		Context context;
		pool(context);
		threads(context);
		attempt("a wild flag", [&] {
			iommu_ioas_alloc command{};
			command.flags = 1;
			context.call(IOMMU_IOAS_ALLOC, command, "space");
		});
	} catch (const std::exception &error) {
		std::cerr << error.what() << '\n';
		return 1;
	}
	return 0;
}
