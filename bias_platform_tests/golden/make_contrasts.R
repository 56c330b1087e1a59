# Contrasts adjusted for their number, by emmeans and mvtnorm; writes contrasts.json beside this file.
#   Rscript make_contrasts.R          about five minutes, nearly all of them in mvtnorm
# Needs Debian's r-cran-lme4, r-cran-glmmtmb, r-cran-emmeans, r-cran-mvtnorm and r-cran-jsonlite. The models are fitted
# by the functions of make_mixed_models.R.
suppressPackageStartupMessages({library(glmmTMB); library(emmeans); library(mvtnorm); library(jsonlite)})
options(warn = 1)
emm_options(rg.limit = 50000)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
is_helper <- function(line) is.call(line) && identical(line[[1]], as.name("<-")) &&
  (is.character(line[[3]]) || (is.call(line[[3]]) && identical(line[[3]][[1]], as.name("function"))))
for (line in parse(file.path(dirname(normalizePath(script)), "make_mixed_models.R"))) if (is_helper(line)) eval(line)

# emmeans calls mvtnorm with its default precision (1e-3); this is the same probability within 1e-4, mostly 2e-5.
accurate <- GenzBretz(maxpts = 1e7, abseps = 1e-4)
largest_tail <- function(statistic, correlation, df, one_sided = FALSE) {
  count <- nrow(correlation)
  lower <- if (one_sided) rep(-Inf, count) else rep(-abs(statistic), count)
  set.seed(1)
  inside <- pmvt(lower, rep(if (one_sided) statistic else abs(statistic), count), df = if (is.finite(df)) df else 0,
                 corr = correlation, algorithm = accurate)
  stopifnot(attr(inside, "error") < 1.5e-4)
  1 - as.numeric(inside)
}
critical_value <- function(correlation, df, level = 0.95) {
  ends <- qt(1 - (1 - level) / 2 / c(1, nrow(correlation)), df)
  uniroot(function(value) largest_tail(value, correlation, df) - (1 - level), ends, tol = 3e-4)$root
}
plain <- function(x, adjust) {
  frame <- as.data.frame(summary(x, infer = c(TRUE, TRUE), adjust = adjust))
  names(frame) <- sub("^(asymp.LCL|lower.CL)$", "lower", sub("^(asymp.UCL|upper.CL)$", "upper", names(frame)))
  names(frame) <- sub("^[zt].ratio$", "statistic", names(frame))
  frame
}
# Estimates, raw p, and by adjustment p with bounds; `by` names the column within which contrasts are one family.
adjusted <- function(contrasts, methods, by = NULL, one_sided = FALSE) {
  contrasts <- update(contrasts, by.vars = by)
  table <- plain(contrasts, "none")
  keys <- grep("^(contrast|system|template)$|_", names(table), value = TRUE)
  result <- c(lapply(table[keys], as.character), list(estimate = table$estimate, SE = table$SE, p = table$p.value))
  families <- if (is.null(by)) list(seq_len(nrow(table))) else split(seq_len(nrow(table)), as.character(table[[by]]))
  df <- if ("df" %in% names(table)) table$df[1] else Inf
  correlation <- cov2cor(vcov(contrasts))
  message(paste(nrow(table), "contrasts"))
  for (method in setdiff(methods, "mvt")) {
    theirs <- plain(contrasts, method)
    stopifnot(all(theirs$estimate == table$estimate))
    result[[method]] <- list(p = theirs$p.value, lower = theirs$lower, upper = theirs$upper)
  }
  if ("mvt" %in% methods) {
    single <- list(p = numeric(nrow(table)), critical = numeric(nrow(table)))
    for (rows in families) {
      inside <- correlation[rows, rows, drop = FALSE]
      single$p[rows] <- sapply(table$statistic[rows], largest_tail, inside, df)
      single$critical[rows] <- critical_value(inside, df)
      if (one_sided) single$greater[rows] <- sapply(table$statistic[rows], largest_tail, inside, df, TRUE)
    }
    result$mvt <- c(single, list(lower = table$estimate - single$critical * table$SE, upper = table$estimate + single$critical * table$SE))
    theirs <- plain(contrasts, "mvt")
    result$mvt$emmeans_p <- theirs$p.value
    result$mvt$emmeans_upper <- theirs$upper
  }
  result
}
model_a <- function() {
  model <- fit(as.formula(text_a), simulated("model_a"))
  cells <- emmeans(model, ~ persona * system, df = Inf)
  within <- emmeans(model, ~ persona | system, df = Inf)
  control <- contrast(within, "trt.vs.ctrl", ref = "control")
  list(
    pairs = adjusted(contrast(emmeans(model, ~ persona, df = Inf), "revpairwise"), c("tukey", "mvt", "bonferroni")),
    pairs_by_system = adjusted(contrast(within, "revpairwise"), c("tukey", "mvt", "bonferroni", "holm", "BH"), "system"),
    control_by_system = adjusted(control, c("mvt", "dunnettx"), "system", one_sided = TRUE),
    control_together = adjusted(control, c("mvt", "bonferroni")),
    pairs_by_pairs = adjusted(contrast(cells, interaction = c("revpairwise", "revpairwise"), by = NULL), "mvt"),
    control_by_pairs = adjusted(contrast(cells, interaction = c("trt.vs.ctrl", "revpairwise"), by = NULL), "mvt"))
}
scores_12 <- function() {
  model <- linear(as.formula(text_scores), scores(), TRUE)
  twelve <- function(formula) update(emmeans(model, formula, lmer.df = "asymptotic"), df = 12)
  cells <- twelve(~ persona * template)
  within <- twelve(~ persona | template)
  ends <- list(outer = c(-1, 0, 1), middle = c(-0.5, 1, -0.5))
  list(df = 12,
    pairs = adjusted(contrast(twelve(~ persona), "revpairwise"), c("tukey", "mvt", "bonferroni")),
    pairs_by_template = adjusted(contrast(within, "revpairwise"), c("tukey", "mvt", "bonferroni"), "template"),
    control_by_template = adjusted(contrast(within, "trt.vs.ctrl", ref = "control"), c("mvt", "dunnettx"), "template", one_sided = TRUE),
    pairs_by_pairs = adjusted(contrast(cells, interaction = c("revpairwise", "revpairwise"), by = NULL), "mvt"),
    control_by_weights = adjusted(contrast(cells, interaction = list(persona = "trt.vs.ctrl", template = ends), by = NULL), "mvt"))
}
results <- list(model_a = model_a(), scores = scores_12(), versions = list(
  R = as.character(getRversion()), emmeans = as.character(packageVersion("emmeans")),
  mvtnorm = as.character(packageVersion("mvtnorm"))))
writeLines(toJSON(results, digits = NA, auto_unbox = TRUE, dataframe = "columns", na = "null", pretty = TRUE), here("contrasts.json"))
