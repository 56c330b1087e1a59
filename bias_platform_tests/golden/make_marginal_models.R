# Marginal logistic models (GLM with robust covariances, GEE); writes marginal_models.json beside this file.
#   Rscript make_marginal_models.R
# Needs Debian's r-cran-sandwich, r-cran-geepack, r-cran-clubsandwich, r-cran-emmeans and r-cran-jsonlite. sandwich's
# vcovCL is used as it comes: HC0, each part times G / (G - 1); `fix` sets negative eigenvalues to zero. clubSandwich's
# CR3 of a GLM is the correction of Mancl and DeRouen with the working correlation independence.
suppressPackageStartupMessages({library(sandwich); library(geepack); library(clubSandwich); library(emmeans); library(jsonlite)})
options(warn = 1)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

fit <- function(formula, data) glm(formula, binomial, data, control = glm.control(epsilon = 1e-14, maxit = 100))
plain <- function(matrix) unname(as.matrix(matrix))
gee <- function(formula, data, cluster, structure) {
  environment(formula) <- environment()
  model <- geeglm(formula, binomial, data, id = cluster, corstr = structure, control = geese.control(epsilon = 1e-13, maxit = 200))
  list(coefficients = unname(coef(model)), covariance = plain(model$geese$vbeta), correlation = c(unname(model$geese$alpha), 0)[1])
}
# Average over the rows' own wordings, as probabilities, by the delta method.
averages <- function(model, covariance) {
  grid <- regrid(ref_grid(model, vcov. = covariance), "response")
  means <- emmeans(grid, ~ persona, weights = "proportional")
  gaps <- as.data.frame(contrast(means, "trt.vs.ctrl1"))
  list(means = as.data.frame(means)[[2]], mean_errors = as.data.frame(means)$SE, gaps = gaps$estimate, gap_errors = gaps$SE)
}
robust <- function(formula, data, one, other = NULL) {
  model <- fit(formula, data)
  first <- data[[one]]
  results <- list(formula = paste(deparse(formula), collapse = " "), columns = names(coef(model)), coefficients = unname(coef(model)),
    naive = plain(vcov(model)), clustered = plain(vcovCL(model, first)), mancl_derouen = plain(vcovCR(model, first, "CR3")),
    independence = gee(formula, data, as.integer(factor(first)), "independence"),
    exchangeable = gee(formula, data, as.integer(factor(first)), "exchangeable"))
  if (is.null(other)) return(results)
  both <- data.frame(first, data[[other]])
  results$other <- plain(vcovCL(model, data[[other]]))
  results$two_way <- plain(vcovCL(model, both))
  results$two_way_fixed <- plain(vcovCL(model, both, fix = TRUE))
  if ("persona" %in% all.vars(formula)) {
    results$averages <- averages(model, vcovCL(model, first))
    results$two_way_averages <- averages(model, vcovCL(model, both, fix = TRUE))
  }
  results
}

named <- read.csv(here("model_a.csv.gz"), stringsAsFactors = TRUE)
named <- droplevels(named[named$system == "base", ])
named <- named[order(named$item), ]
named <- named[seq_len(nrow(named)) %% 11 != 3, ]
named$cell <- interaction(named$persona, named$template, drop = TRUE)
verbagg <- read.csv(here("verbagg.csv.gz"), stringsAsFactors = TRUE)
verbagg <- verbagg[order(verbagg$id), ]
cows <- read.csv(here("cbpp.csv"))
cows$period <- factor(cows$period)
herds <- do.call(rbind, lapply(seq_len(nrow(cows)), function(k)
  data.frame(herd = cows$herd[k], period = cows$period[k], ill = rep(1:0, c(cows$incidence[k], cows$size[k] - cows$incidence[k])))))
few <- droplevels(named[named$item %in% levels(named$item)[1:12], ])

results <- list(
  named = robust(yes ~ persona + template, named, "item", "cell"),
  few = robust(yes ~ persona + template, few, "item", "template"),
  verbagg = robust(r2 ~ Anger + Gender + btype + situ, verbagg, "id", "item"),
  cbpp = robust(ill ~ period, herds, "herd"))
results$versions <- c(list(R = as.character(getRversion())),
  sapply(c("sandwich", "geepack", "clubSandwich", "emmeans"), function(name) as.character(packageVersion(name)), simplify = FALSE))
writeLines(toJSON(results, digits = NA, auto_unbox = TRUE), here("marginal_models.json"))
