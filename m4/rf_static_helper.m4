dnl SPDX-License-Identifier: MIT
dnl
dnl RF_STATIC_HELPER(VARIABLE, MODULE, SOURCE): sets LIBRFORK_VARIABLE_LIBS to what links librfork
dnl with MODULE's archive, whose name is MODULE.a, if SOURCE proves that this can be part of a shared library; else
dnl to LIBVARIABLE_LIBS, as with --with-shared-helpers.  After PKG_CHECK_MODULES([LIBVARIABLE], ...).
AC_DEFUN([RF_STATIC_HELPER],
	[LIBRFORK_$1_LIBS=$LIB$1_LIBS
	AS_IF([test "x$with_shared_helpers" = xno],
		[AC_MSG_CHECKING([for a $2.a that can be linked into a shared library])
		rf_saved_CFLAGS=$CFLAGS rf_saved_LIBS=$LIBS
		rf_static_helper="$($PKG_CONFIG --libs-only-L $2) -Wl,--exclude-libs,$2.a -Wl,-l:$2.a"
		CFLAGS="$CFLAGS $LIB$1_CFLAGS -fPIC -shared"
		LIBS=$rf_static_helper
		AC_LINK_IFELSE([AC_LANG_SOURCE([[$3]])],
			[LIBRFORK_$1_LIBS=$rf_static_helper
			AC_MSG_RESULT([yes])],
			[AC_MSG_RESULT([no])])
		CFLAGS=$rf_saved_CFLAGS LIBS=$rf_saved_LIBS])
	AC_SUBST([LIBRFORK_$1_LIBS])])
