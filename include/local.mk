# SPDX-License-Identifier: MIT
# The public face: one header.
include_HEADERS = %D%/rfork.h
