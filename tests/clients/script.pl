#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A client in Perl: commands are packed by hand, memory is that of a string.
use strict;
use warnings;
use Fcntl;
use POSIX qw(:errno_h :sys_wait_h);

use constant {
	DESTROY_ID => 0x3b80, IOAS_ALLOC => 0x3b81, COPY => 0x3b83, RANGES => 0x3b84, MAP => 0x3b85,
	UNMAP => 0x3b86, OPTION => 0x3b87, FAULT_QUEUE => 0x3b8e, TEST => 0x3ba0,
	RW => 6, FIXED => 1, PAGE => 4096,
};
use constant { MOCK_DOMAIN => 2, CHECK_MAP => 3, CHECK_REFS => 4, CREATE_ACCESS => 5, ACCESS_RW => 8 };

my %names = (
	EPERM, 'EPERM', ENOENT, 'ENOENT', EFAULT, 'EFAULT', EBUSY, 'EBUSY', EEXIST, 'EEXIST', EINVAL, 'EINVAL',
	ENOTTY, 'ENOTTY', EOVERFLOW, 'EOVERFLOW', EOPNOTSUPP, 'EOPNOTSUPP', EBADF, 'EBADF', EMSGSIZE, 'EMSGSIZE',
	EADDRINUSE, 'EADDRINUSE', EIO, 'EIO', 7, 'E2BIG');
$| = 1;

sub call {
	my ($file, $number, undef) = @_;
	return defined ioctl($file, $number, $_[2]) ? '0' : $names{ $! + 0 } || $! + 0;
}
# The size word in front, the answer unpacked behind.
sub command {
	my ($file, $number, $form, @fields) = @_;
	my $text = pack("L$form", 0, @fields);
	substr($text, 0, 4) = pack('L', length $text);
	my $result = call($file, $number, $text);
	return ($result, unpack("x4$form", $text));
}
sub test {
	my ($file, $op, $id, $form, @fields) = @_;
	my $body = pack($form, @fields);
	$body .= "\0" x (56 - length $body);
	my $text = pack('LLLL', 72, $op, $id, 0) . $body;
	my $result = call($file, TEST, $text);
	return ($result, unpack("x16$form", $text));
}
sub address { return unpack('Q', pack('P', $_[0])) }

open(my $iommu, '+<', '/dev/iommu') or die "/dev/iommu: $!\n";
my ($result, $flags, $ioas) = command($iommu, IOAS_ALLOC, 'LL', 0, 0);
print "space: $result, id $ioas\n";

# Whole pages within a string; where they go depends on how they are aligned.
my $buffer = "\0" x (8 * PAGE);
my $start = address($buffer);
my $offset = -$start % (4 * PAGE);
my $memory = $start + $offset;
substr($buffer, $offset, 5, 'hello');

my @mapped = command($iommu, MAP, 'LLLQQQ', RW, $ioas, 0, $memory, 4 * PAGE, 0);
printf "map: %s at %#x\n", $mapped[0], $mapped[6];
printf "map there: %s\n", (command($iommu, MAP, 'LLLQQQ', RW | FIXED, $ioas, 0, $memory, PAGE, $mapped[6]))[0];
printf "unmap: %s, %d bytes\n", (command($iommu, UNMAP, 'LQQ', $ioas, $mapped[6], 4 * PAGE))[0, 3];

my ($made, $stdev, $hwpt, $dev) = test($iommu, MOCK_DOMAIN, $ioas, 'LLL', 0, 0, 0);
print "device: $made, ids $stdev $hwpt $dev\n";
@mapped = command($iommu, MAP, 'LLLQQQ', RW, $ioas, 0, $memory, 4 * PAGE, 0);
my $iova = $mapped[6];
printf "map: %s at %#x\n", $mapped[0], $iova;
printf "the device sees it: %s\n", (test($iommu, CHECK_MAP, $hwpt, 'QQQ', $iova, 4 * PAGE, $memory))[0];
printf "shifted: %s\n", (test($iommu, CHECK_MAP, $hwpt, 'QQQ', $iova + PAGE, PAGE, $memory))[0];

my ($opened, $access) = test($iommu, CREATE_ACCESS, $ioas, 'LL', 0, 0);
print "access: $opened\n";
my $read = ' ' x 5;
printf "read: %s\n", (test($iommu, ACCESS_RW, $access, 'QQQL', $iova, 5, address($read), 0))[0];
print "$read\n";
my $written = 'HELLO';
printf "write: %s\n", (test($iommu, ACCESS_RW, $access, 'QQQL', $iova + 5, 5, address($written), 1))[0];
print substr($buffer, $offset, 10), "\n";

my $room = "\0" x 32;
my @ranges = command($iommu, RANGES, 'LLLQQ', $ioas, 2, 0, address($room), 0);
printf "ranges: %s, %d, alignment %d\n", @ranges[0, 2, 5];
printf "%#x-%#x\n", unpack('QQ', $room);

my %descriptors;
for my $number (1 .. 3) {
	my ($queued, undef, $id, $fd) = command($iommu, FAULT_QUEUE, 'LLL', 0, 0, 0);
	print "queue $number: $queued, id $id\n";
	open($descriptors{$id}, '+<&=', $fd) or die "fdopen: $!\n";
}
for my $id (sort { $a <=> $b } keys %descriptors) {
	my $bits = '';
	vec($bits, fileno($descriptors{$id}), 1) = 1;
	my ($readable, $writeable) = ($bits, $bits);
	select($readable, $writeable, undef, 0);
	printf "queue %d: readable %d writeable %d\n", $id, unpack('%32b*', $readable), unpack('%32b*', $writeable);
	printf "destroy %d: %s\n", $id, (command($iommu, DESTROY_ID, 'L', $id))[0];
	close($descriptors{$id});
	printf "destroy %d: %s\n", $id, (command($iommu, DESTROY_ID, 'L', $id))[0];
}

defined(my $child = fork()) or die "fork: $!\n";
if (!$child) {
	printf "child: space %d\n", (command($iommu, IOAS_ALLOC, 'LL', 0, 0))[2];
	POSIX::_exit(5);
}
waitpid($child, 0);
printf "child ended with %d\n", WEXITSTATUS($?);
printf "destroy its space: %s\n", (command($iommu, DESTROY_ID, 'L', (sort { $a <=> $b } keys %descriptors)[0]))[0];
printf "no such command: %s\n", (command($iommu, 0x3b9f, 'L', 0))[0];
printf "too short: %s\n", call($iommu, DESTROY_ID, my $short = pack('LL', 4, 0));
printf "device leaves: %s\n", (command($iommu, DESTROY_ID, 'L', $stdev))[0];
printf "pins: %s\n", (test($iommu, CHECK_REFS, 0, 'QQL', 4 * PAGE, $memory, 0))[0];
close($iommu);
print "closed\n";
