/* SPDX-License-Identifier: MIT */
/* A dynamic program that says hello: the floor of an executable that goes on (image.c). */
#include <stdio.h>

int main(void)
{
	return puts("hello") == EOF || fflush(stdout) == EOF;
}
