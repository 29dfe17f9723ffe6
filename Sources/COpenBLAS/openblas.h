// The few BLAS and LAPACK routines that Pith calls, by their Fortran names; matrices are column-major.
#pragma once

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
