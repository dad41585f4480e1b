/* SPDX-License-Identifier: Apache-2.0 */
/* A server of devices: clients send it their memory as files, and read what its devices wrote. */
#include "client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CLIENTS	     3
#define CLIENT_PAGES 4

struct request {
	uint32_t pages;
	char text[12];
};

static void send_file(int socket, const struct request *request, int file)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {(void *)(uintptr_t)request, sizeof(*request)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &file, sizeof(file));
	if (sendmsg(socket, &message, 0) < 0)
		die("sendmsg");
}

static ssize_t receive_file(int socket, struct request *request, int *file)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {request, sizeof(*request)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

	*file = -1;
	if (count > 0 && CMSG_FIRSTHDR(&message))
		memcpy(file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*file));
	return count;
}

static struct sockaddr_un address_of(pid_t server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* A name without a file. */
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "clients-%d", (int)server);
	return address;
}

static int client(pid_t server, int number)
{
	struct sockaddr_un address = address_of(server);
	struct request request = {.pages = CLIENT_PAGES};
	int socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int file = memfd_create("client", MFD_CLOEXEC);
	char reply[16] = "";

	if (ftruncate(file, CLIENT_PAGES * PAGE) != 0 ||
		connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return 1;
	char *memory = mmap(NULL, CLIENT_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	snprintf(request.text, sizeof(request.text), "client %d", number);
	send_file(socket_fd, &request, file);
	close(file);
	if (read(socket_fd, reply, sizeof(reply)) <= 0 || strcmp(reply, "done") != 0)
		return 2;
	/* The server's device has written into every page. */
	for (size_t page = 0; page < CLIENT_PAGES; page++)
		if (strcmp(memory + page * PAGE, request.text) != 0)
			return 3;
	int fd = open_iommu();
	if (check_refs(fd, memory, CLIENT_PAGES * PAGE, 1) != 0)
		return 4;
	close(fd);
	if (write(socket_fd, "bye", 4) != 4)
		return 5;
	return 0;
}

struct device {
	int fd, access;
	uint32_t ioas;
	struct mock mock;
	unsigned mapped, unmapped, bad;
};

/* Maps a client's file and has the device write to it. */
static void serve(struct device *device, const struct request *request, int file, uint64_t *iova)
{
	*iova = 0;
	device->mapped +=
		map_file(device->fd, device->ioas, RW, file, 0, request->pages * PAGE, iova) == 0;
	for (uint32_t page = 0; page < request->pages; page++)
		device->bad += access_rw(device->fd, device->access, *iova + page * PAGE,
				       request->text, sizeof(request->text), 1) != 0;
	close(file);
}

static void run(struct device *device, int listener)
{
	struct pollfd waits[1 + CLIENTS] = {{.fd = listener, .events = POLLIN}};
	uint64_t places[1 + CLIENTS];
	int count = 1, gone = 0;

	while (gone < CLIENTS && poll(waits, (nfds_t)count, 20000) > 0) {
		if (waits[0].revents) {
			waits[count] =
				(struct pollfd){.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC),
					.events = POLLIN};
			count++;
		}
		for (int i = 1; i < count; i++) {
			struct request request;
			int file;

			if (!waits[i].revents)
				continue;
			ssize_t got = receive_file(waits[i].fd, &request, &file);
			if (got == sizeof(request) && file >= 0) {
				serve(device, &request, file, &places[i]);
				if (write(waits[i].fd, "done", 5) != 5)
					printf("a client is gone early\n");
				continue;
			}
			device->unmapped += unmap_at(device->fd, device->ioas, places[i],
						    CLIENT_PAGES * PAGE) == 0;
			close(waits[i].fd);
			waits[i].fd = -1;
			gone++;
		}
	}
	printf("clients served: %d, mapped %u, unmapped %u, bad writes %u\n", gone, device->mapped,
		device->unmapped, device->bad);
}

int main(void)
{
	struct sockaddr_un address = address_of(getpid());
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct device device = {.fd = open_iommu()};
	pid_t server = getpid(), children[CLIENTS];

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(listener, CLIENTS) != 0)
		die("listen");
	device.ioas = new_ioas(device.fd);
	device.mock = new_mock(device.fd, device.ioas);
	device.access = new_access(device.fd, device.ioas, 0);
	for (int i = 0; i < CLIENTS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			close(device.fd);
			close(device.access);
			_exit(client(server, i));
		}
	}
	run(&device, listener);
	for (int i = 0; i < CLIENTS; i++)
		printf("client ended with %d\n", join(children[i]));
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	show("device leaves", destroy(device.fd, device.mock.stdev));
	close(device.access);
	show("destroy", destroy(device.fd, device.ioas));
	close(device.fd);
	return 0;
}
