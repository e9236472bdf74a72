/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/rights.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void get(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	CHECK_CALL((int)syscall(SYS_capget, &header, data));
}

static void set(const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	CHECK_CALL((int)syscall(SYS_capset, &header, data));
}

bool rights_may(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	return data[CAP_TO_INDEX(capability)].permitted & CAP_TO_MASK(capability);
}

bool rights_are_in_effect(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

bool rights_would_pass_on(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	return data[CAP_TO_INDEX(capability)].inheritable & CAP_TO_MASK(capability);
}

bool rights_could(unsigned capability)
{
	return CHECK_CALL(prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) == 1;
}

void rights_pass_on(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	data[CAP_TO_INDEX(capability)].inheritable |= CAP_TO_MASK(capability);
	set(data);
}

void rights_drop(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	data[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	set(data);
}

void rights_suspend(unsigned capability)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	get(data);
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	set(data);
}

void rights_drop_bounding(unsigned capability)
{
	CHECK_CALL(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
}

void rights_need_root(unsigned capability)
{
	if (geteuid() != 0 || !rights_may(capability) || !rights_may(CAP_SETPCAP))
		test_skip("only root has capabilities that it could drop");
}
