/* SPDX-License-Identifier: MIT */
/*
 * A static program that ends at once: what the floor of the small process executes.
 */
int main(void)
{
	return 0;
}
