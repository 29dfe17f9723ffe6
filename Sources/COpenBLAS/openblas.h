// The few BLAS and LAPACK routines that Pith calls, by their Fortran names; matrices are column-major.
#pragma once

#include <stdlib.h>
#include <string.h>

void sgemm_(
  const char *transa, const char *transb, const int *m, const int *n, const int *k, const float *alpha, const float *a,
  const int *lda, const float *b, const int *ldb, const float *beta, float *c, const int *ldc);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotrs_(
  const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda, double *b, const int *ldb, int *info);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info);
void dsyevd_(
  const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork,
  int *iwork, const int *liwork, int *info);
void dgesdd_(
  const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu,
  double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info);
void openblas_set_num_threads(int threads);
char *openblas_get_corename(void);

// Only builds for several processors have these.
void gotoblas_dynamic_init(void) __attribute__((weak));
void gotoblas_dynamic_quit(void) __attribute__((weak));

/// Of a processor that is newer than itself, OpenBLAS may know nothing, and takes the kernels of 2004, which need four times as long
/// as those of what the processor can do. Then these are taken, unless the environment names others.
static inline void openblas_take_fitting_kernels(void) {
#if defined(__x86_64__)
  if (getenv("OPENBLAS_CORETYPE") || strcmp(openblas_get_corename(), "Prescott") != 0) return;
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit) return;
  const char *core = NULL;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) core = "Haswell";
  if (core && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
    && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")) {
    core = "SkylakeX";
  }
  if (!core) return;
  setenv("OPENBLAS_CORETYPE", core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv("OPENBLAS_CORETYPE");
#endif
}
