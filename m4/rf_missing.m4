dnl SPDX-License-Identifier: MIT
dnl RF_MISSING(WHAT, DEBIAN-PACKAGE, [ALTERNATIVE])
dnl Ends configure with the name of the package that has what is missing.
AC_DEFUN([RF_MISSING],
	[AC_MSG_ERROR([$1 is missing: install the Debian package $2 (apt-get install $2)$3])])
