# Tests of fixed terms in small Gaussian designs; writes term_tests.json beside this file.
#   Rscript make_term_tests.R
# Needs Debian's r-cran-lme4, r-cran-lmertest, r-cran-pbkrtest, r-cran-nlme and r-cran-jsonlite. In balanced designs with
# all variances above zero, Kenward and Roger's degrees of freedom are those of the classical analysis of variance
# wherever a term has one error stratum. The data are in the file, so that no other one is needed.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})
options(warn = 1)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

crossed <- function(...) {
  sizes <- list(...)
  frame <- do.call(expand.grid, rev(lapply(names(sizes), function(name) paste0(name, seq_len(sizes[[name]])))))
  names(frame) <- rev(names(sizes))
  frame[] <- lapply(frame, factor)
  frame[rev(names(frame))]
}
# A response that varies over the levels of groupings, by deviation, and by 1 within.
varied <- function(frame, seed, sds, effect = 0) {
  set.seed(seed)
  total <- effect + rnorm(nrow(frame))
  for (name in names(sds)) {
    level <- interaction(frame[strsplit(name, ":")[[1]]], drop = TRUE)
    total <- total + rnorm(nlevels(level), sd = sds[[name]])[level]
  }
  frame$y <- round(total, 4)
  frame
}
fit <- function(formula, data) {
  control <- lme4::lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-14, ftol_rel = 0, maxeval = 20000))
  model <- lmerTest::lmer(as.formula(formula), data, control = control)
  for (k in 1:2) model <- update(model, start = list(theta = lme4::getME(model, "theta")))
  stopifnot(lme4::getME(model, "theta")[lme4::getME(model, "lower") == 0] > 0.05)
  model
}
sums <- function(data) {
  for (name in names(data)) if (is.factor(data[[name]])) contrasts(data[[name]]) <- contr.sum(nlevels(data[[name]]))
  data
}
plain <- function(data) lapply(data, function(x) if (is.factor(x)) as.character(x) else x)
tested <- function(formula, data) {
  table <- anova(fit(formula, sums(data)), type = 3, ddf = "Kenward-Roger")
  list(formula = formula, data = plain(data),
       tests = lapply(list(term = rownames(table), df = table$NumDF, f = table[["F value"]], denominator_df = table$DenDF), I))
}
by_group <- function(frame, unit, groups, name) {
  frame[[name]] <- factor(paste0(name, (as.integer(frame[[unit]]) - 1) %% groups + 1))
  frame
}

named <- crossed(item = 10, persona = 5, template = 3, system = 2)
named_sds <- c(item = 1, "item:system" = 0.8, "item:persona" = 0.8, "item:persona:system" = 0.8)
wording_sds <- c("persona:template" = 0.7, "persona:template:system" = 0.7)
items <- "(1 | item) + (1 | item:system) + (1 | item:persona)"
wordings <- "(1 | persona:template) + (1 | persona:template:system)"
grouped <- by_group(crossed(item = 8, persona = 12, template = 2, system = 3), "persona", 3, "group")
grouped_sds <- c(item = 1, "item:system" = 0.6, persona = 0.8, "persona:system" = 0.7)
paired <- crossed(item = 15, system = 2, run = 3)
sloped <- by_group(transform(crossed(subject = 12, occasion = 6), x = as.integer(occasion) - 1), "subject", 3, "group")
set.seed(7)
slopes <- rnorm(12, sd = 0.8)[as.integer(sloped$subject)] * sloped$x

pupils <- crossed(school = 8, pupil = 5, occasion = 4)
pupils$pupil <- interaction(pupils$school, pupils$pupil, drop = TRUE)
pupils <- by_group(pupils, "school", 2, "treatment")
pupils$sex <- factor(ifelse(as.integer(factor(sub(".*pupil", "", pupils$pupil))) %% 2 == 0, "f", "m"))
pupils$x <- as.integer(pupils$occasion)
pupils <- pupils[-c(3, 20, 41, 77, 100, 121), ]
nested <- function(data) {
  table <- anova(nlme::lme(y ~ treatment * sex + x, sums(data), random = ~ 1 | school/pupil), type = "marginal")
  table <- table[rownames(table) != "(Intercept)", ]
  list(formula = "y ~ treatment * sex + x + (1 | school) + (1 | pupil)", data = plain(data[c("school", "pupil", "treatment", "sex", "x", "y")]),
       tests = lapply(list(term = rownames(table), df = table$numDF, f = table[["F-value"]], denominator_df = table$denDF), I))
}

results <- list(
  named = tested(paste("y ~ persona * system + template +", items, "+ (1 | item:persona:system)"), varied(named, 1, named_sds)),
  wordings = tested(paste("y ~ persona * system + template +", wordings), varied(named, 2, wording_sds)),
  model_a = tested(paste("y ~ persona * system + template +", items, "+", wordings), varied(named, 3, c(named_sds[1:3], wording_sds))),
  model_b = tested("y ~ group * system + template + (1 | item) + (1 | item:system) + (1 | persona) + (1 | persona:system)", varied(grouped, 4, grouped_sds)),
  paired = tested("y ~ system + (1 | item) + (1 | item:system)", varied(paired, 5, c(item = 1, "item:system" = 0.8))),
  slope = tested("y ~ x * group + (1 + x | subject)", varied(sloped, 6, c(subject = 1), slopes)),
  nested = nested(varied(pupils, 8, c(school = 0.8, pupil = 0.8))))
results$versions <- c(list(R = as.character(getRversion())),
  sapply(c("lme4", "lmerTest", "pbkrtest", "nlme"), function(name) as.character(packageVersion(name)), simplify = FALSE))
writeLines(toJSON(results, digits = NA, auto_unbox = TRUE), here("term_tests.json"))
